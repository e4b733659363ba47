"""Pages as a person meets them: a real browser on real web processes."""
