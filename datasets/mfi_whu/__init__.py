"""MFI-WHU: multi-focus pairs made from sharp pictures."""
