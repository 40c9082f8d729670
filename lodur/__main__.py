"""`python -m lodur` is `lodur`."""

from lodur.cli.main import main

if __name__ == "__main__":
    main()
