"""The catalogue of a product that brings none: the event types of Winnerr's CRM."""

from typing import Final

from winnerr_webhooks.domain.catalog import Catalog, EventType

CATALOG: Final = Catalog(
    (
        EventType(
            name="contact.created",
            category="Contacts",
            description="A contact was added.",
            example=b'{"id":"contact_xyz","name":"Jane Smith","email":"jane@example.com"}',
        ),
        EventType(
            name="contact.updated",
            category="Contacts",
            description="One or more fields of a contact changed.",
            example=b'{"id":"contact_xyz","name":"Jane Smith","email":"jane.smith@example.com",'
            b'"changes":{"email":{"from":"jane@example.com","to":"jane.smith@example.com"}}}',
        ),
        EventType(
            name="contact.deleted",
            category="Contacts",
            description="A contact was deleted.",
            example=b'{"id":"contact_xyz","name":"Jane Smith","email":"jane@example.com",'
            b'"deletedBy":"user_7f3k"}',
        ),
        EventType(
            name="deal.created",
            category="Deals",
            description="A deal was added to a pipeline.",
            example=b'{"id":"deal_4821","name":"Northwind annual plan","stage":"qualified",'
            b'"pipelineId":"pipeline_sales","amount":12000.00,"currency":"USD",'
            b'"contactId":"contact_xyz","ownerId":"user_7f3k"}',
        ),
        EventType(
            name="deal.stage_changed",
            category="Deals",
            description="A deal moved to another stage of its pipeline.",
            example=b'{"id":"deal_4821","name":"Northwind annual plan",'
            b'"previousStage":"qualified","stage":"proposal_sent",'
            b'"pipelineId":"pipeline_sales","amount":12000.00,"currency":"USD",'
            b'"ownerId":"user_7f3k"}',
        ),
        EventType(
            name="deal.closed_won",
            category="Deals",
            description="A deal was won.",
            example=b'{"id":"deal_4821","name":"Northwind annual plan","amount":11500.00,'
            b'"currency":"USD","closedAt":"2025-01-15T14:22:58Z","contactId":"contact_xyz",'
            b'"ownerId":"user_7f3k"}',
        ),
        EventType(
            name="deal.closed_lost",
            category="Deals",
            description="A deal was lost.",
            example=b'{"id":"deal_4821","name":"Northwind annual plan","amount":12000.00,'
            b'"currency":"USD","lostReason":"budget","closedAt":"2025-01-15T14:22:58Z",'
            b'"contactId":"contact_xyz","ownerId":"user_7f3k"}',
        ),
        EventType(
            name="call.completed",
            category="Calls",
            description="A call ended after both sides had spoken.",
            example=b'{"id":"call_9b2e","direction":"outbound","from":"+15550100",'
            b'"to":"+15550123","durationSeconds":314,"contactId":"contact_xyz",'
            b'"userId":"user_7f3k","startedAt":"2025-01-15T14:17:41Z"}',
        ),
        EventType(
            name="call.missed",
            category="Calls",
            description="An incoming call was not answered.",
            example=b'{"id":"call_9b2f","direction":"inbound","from":"+15550123",'
            b'"to":"+15550100","ringSeconds":28,"voicemail":true,"contactId":"contact_xyz"}',
        ),
        EventType(
            name="call.recording_ready",
            category="Calls",
            description="The recording of a call can be fetched.",
            example=b'{"id":"call_9b2e","recordingId":"recording_51cd",'
            b'"recordingUrl":"https://app.example.com/recordings/recording_51cd",'
            b'"durationSeconds":314,"contactId":"contact_xyz"}',
        ),
        EventType(
            name="call.transcription_ready",
            category="Calls",
            description="The transcript of a call can be read.",
            example=b'{"id":"call_9b2e","transcriptionId":"transcription_77aa","language":"en",'
            b'"text":"Hello Jane, thanks for taking the time. Shall we go through the offer?",'
            b'"contactId":"contact_xyz"}',
        ),
        EventType(
            name="task.created",
            category="Tasks",
            description="A task was added.",
            example=b'{"id":"task_310","title":"Send the revised offer","priority":"high",'
            b'"dueAt":"2025-01-17T16:00:00Z","assigneeId":"user_7f3k","dealId":"deal_4821"}',
        ),
        EventType(
            name="task.completed",
            category="Tasks",
            description="A task was ticked off.",
            example=b'{"id":"task_310","title":"Send the revised offer",'
            b'"completedAt":"2025-01-15T14:22:55Z","completedBy":"user_7f3k",'
            b'"dealId":"deal_4821"}',
        ),
        EventType(
            name="task.overdue",
            category="Tasks",
            description="A task was still open when it fell due.",
            example=b'{"id":"task_310","title":"Send the revised offer","priority":"high",'
            b'"dueAt":"2025-01-15T14:00:00Z","assigneeId":"user_7f3k","dealId":"deal_4821"}',
        ),
        EventType(
            name="email.received",
            category="Emails",
            description="A contact's email came in.",
            example=b'{"id":"email_c04d","from":"jane@example.com","to":["sales@example.org"],'
            b'"subject":"Re: Your offer","snippet":"Looks good, one question about billing",'
            b'"contactId":"contact_xyz","threadId":"thread_88"}',
        ),
        EventType(
            name="email.opened",
            category="Emails",
            description="A contact opened an email you sent.",
            example=b'{"id":"email_c04c","to":"jane@example.com","subject":"Your offer",'
            b'"openCount":1,"contactId":"contact_xyz","threadId":"thread_88"}',
        ),
        EventType(
            name="email.bounced",
            category="Emails",
            description="An email you sent could not be delivered.",
            example=b'{"id":"email_c04c","to":"jane@example.com","subject":"Your offer",'
            b'"bounceType":"hard","reason":"550 5.1.1 mailbox does not exist",'
            b'"contactId":"contact_xyz"}',
        ),
        EventType(
            name="workflow.triggered",
            category="Workflows",
            description="A workflow began to run.",
            example=b'{"id":"workflow_welcome","name":"Welcome new contacts",'
            b'"runId":"run_20f1","trigger":"contact.created","contactId":"contact_xyz"}',
        ),
        EventType(
            name="workflow.step_completed",
            category="Workflows",
            description="One step of a running workflow was done.",
            example=b'{"id":"workflow_welcome","name":"Welcome new contacts",'
            b'"runId":"run_20f1","step":{"number":2,"name":"Send welcome email"},'
            b'"contactId":"contact_xyz"}',
        ),
        EventType(
            name="workflow.failed",
            category="Workflows",
            description="A workflow stopped at a step that went wrong.",
            example=b'{"id":"workflow_welcome","name":"Welcome new contacts",'
            b'"runId":"run_20f1","step":{"number":2,"name":"Send welcome email"},'
            b'"error":"The contact has no email address.","contactId":"contact_xyz"}',
        ),
    )
)
"""Winnerr's catalogue: 20 event types in 6 categories."""
