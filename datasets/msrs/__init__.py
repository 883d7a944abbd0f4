"""MSRS: road scenes by day and night, visible and infrared."""
