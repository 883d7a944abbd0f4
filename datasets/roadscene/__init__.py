"""RoadScene: roads, visible and infrared."""
