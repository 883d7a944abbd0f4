"""M3FD: scenes in many kinds of weather, visible and infrared."""
