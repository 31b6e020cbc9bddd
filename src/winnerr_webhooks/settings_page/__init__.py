"""The settings page, `/settings/webhooks`: whole without JavaScript, quicker with it.

`app` puts it together: `session` says who is there, `views` read the storage and answer with
`templates`, `static` is what browsers keep. `format`, `charts` and `snippets` make the values
that templates show; `stream` feeds the live log.
"""
