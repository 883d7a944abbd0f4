"""LLVIP: pedestrians in low light, visible and infrared."""
