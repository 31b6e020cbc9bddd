// Makes the page quicker. Everything here is extra: the page is whole without it.
