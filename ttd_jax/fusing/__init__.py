"""The fuse job: plan scenes into batches, compute them, write them, survive being stopped."""
