"""Policy: rules over what a stack registers. Contract tests, the policy pack and the scan hold the same list."""
