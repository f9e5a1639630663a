"""What recipes share: devices, optimizers, run folders, callbacks and the command line."""
