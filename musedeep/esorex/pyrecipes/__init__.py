"""Folder for PYESOREX_PLUGIN_DIR. pyesorex imports all modules below it, so it has nothing else."""
