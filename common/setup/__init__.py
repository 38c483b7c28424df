"""Setting up: the check of an environment, and the shell functions of the two scripts."""
