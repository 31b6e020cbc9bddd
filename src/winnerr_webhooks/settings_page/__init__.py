"""The settings page under `/settings/webhooks`.

Every page works without JavaScript; scripts only make it quicker. `page_app` is the ASGI
application. `guard` and `session` decide who may do what. `views` read the storage and fill
`templates`; `static` holds the style sheet and the scripts. `formatting`, `charts`, `log_rows`,
`http_text` and `snippets` prepare the values that templates show. `live_log` streams new attempts.
"""
