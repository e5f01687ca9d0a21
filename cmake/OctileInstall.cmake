# Install rules and the package that find_package(octile) reads.
