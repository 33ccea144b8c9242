# The package is what is installed.
