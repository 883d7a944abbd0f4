"""Sequences of frames: videos, folders of pictures and files with pages, read, paired and written.

Videos are read and written by FFmpeg's libraries, which PyAV brings: the extra `video`.
"""
