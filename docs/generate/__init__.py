"""Pages and pictures that are made from the code, so that they cannot say something else than it does.

``python -m docs.generate`` (``make docs``) writes them anew; a test compares what is committed with what would be
written. Everything here turns code into text and reaches nothing; only ``__main__`` writes files.
"""
