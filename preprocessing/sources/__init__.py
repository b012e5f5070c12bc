"""Where videos come from: files, folders, lists and addresses on the web."""
