"""The lesson's server: answers every datagram on port 10000 with the same words."""

import socket

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 10000))
while True:
    message, client = server.recvfrom(1024)
    server.sendto(b"Get off my lawn!", client)
