"""Parts of the module NExpRSlicer, one concept per file. Only the widget in NExpRSlicer.py knows Qt."""
