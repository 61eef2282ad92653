"""One model over HTTP, for many clients at once, and a page to look inside it, which needs no other machine.

Needs the extra `serve`. `service` knows what requests want of the model, `backlog` when the network runs, `routes` how
a request becomes a question, `guard` and `protocol` what is refused; `page/` is what the browser gets.
"""
