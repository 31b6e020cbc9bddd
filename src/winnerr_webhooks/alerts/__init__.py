"""Operational events: they tell operators and organizations when a webhook fails or recovers.

- `alert_raiser`      makes operational events, and hands them to the intake
- `operator_webhook`  makes and updates the webhook that gets them, as the settings describe it
- `mail_sender`       sends the mails, and tries again those that could not be sent
- `mail_text`         writes a mail in the organization's language
- `smtp_client`       hands mails to the SMTP server

Settling notes what happened in the transaction of the attempts (`storage.alert_queries`), and each
event and its mails are stored before they are sent. So a process that is killed loses none; what it
was sending is sent again, with the same id.
"""
