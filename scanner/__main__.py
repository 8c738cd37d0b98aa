"""`python -m scanner` is the same as `smtpsweep`."""

from scanner.cli import main

if __name__ == "__main__":
    main()
