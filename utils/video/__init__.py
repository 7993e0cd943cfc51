"""Detection on video: sources of frames, processing stages, tracking and writers."""
