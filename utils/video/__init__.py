"""Video: frames in, frames out, with sources, stages, tracking and writers."""
