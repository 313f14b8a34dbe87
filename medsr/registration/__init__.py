"""Registration: how one scan lies in the body as another shows it."""
