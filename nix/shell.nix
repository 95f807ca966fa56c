# For work on `stack` itself: `make check`, and `nix fmt`.
{
  mkShell,
  git,
  gnumake,
  nixfmt-tree,
  python3Packages,
  stack,
}:

mkShell {
  inputsFrom = [ stack.module ];
  packages = [
    git
    gnumake
    nixfmt-tree
    python3Packages.hypothesis
    python3Packages.mypy
    python3Packages.pytest
    python3Packages.pytest-timeout
    python3Packages.pytest-xdist
    python3Packages.ruff
  ];
}
