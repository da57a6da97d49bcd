"""The numbered fault experiments: each prints how many times it ran; FAULTS_FULL=1 runs the release figure."""
