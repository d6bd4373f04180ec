"""The Socket.IO door: Socket.IO protocol 5 over Engine.IO protocol 4, by WebSocket and by HTTP long-polling.

python-socketio speaks the protocols. What it leaves open is done here: bounds on what a client may cost, refusals in
the protocols' own words, and an end after which clients come back.
"""
