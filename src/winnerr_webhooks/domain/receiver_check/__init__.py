"""How a receiver answers sample requests, good and bad, as a report card.

- `receiver_probes`  the requests that it gets
- `receiver_report`  judges its answers
- `receiver_texts`   says what each line of the report means and how to mend it
"""
