"""A child of the runner begins here; its last argument is its title, for `ps`."""

from eventfold.bootstrap.runner.child import main

if __name__ == "__main__":
    main()
