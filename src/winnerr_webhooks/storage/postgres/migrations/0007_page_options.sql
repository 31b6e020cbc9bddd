-- What a sign-in link says about the page that it opens: where it leads, names, language (JSON).

ALTER TABLE sign_in_link ADD COLUMN page_options text;
ALTER TABLE session ADD COLUMN page_options text;
