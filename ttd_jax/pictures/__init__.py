"""Image files and folders of scenes: bytes on disk to arrays and back."""
