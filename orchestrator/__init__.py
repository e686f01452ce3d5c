"""Jobs and the nodes they run on. Knows nothing of courses: `campus` builds upon it."""
