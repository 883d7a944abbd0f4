"""TNO: military scenes, visible and infrared."""
