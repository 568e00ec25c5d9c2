"""`python -m eventfold` is the command line."""

from eventfold.cli import main

if __name__ == "__main__":
    main()
