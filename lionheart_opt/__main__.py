"""`python -m lionheart_opt`: the command line, for an interpreter whose scripts are not on the path."""

from lionheart_opt.cli.start import main

if __name__ == "__main__":
    main()
