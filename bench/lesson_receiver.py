"""The lesson's broadcast receiver: prints every datagram that arrives on port 10000, and who sent it."""

import socket

receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
receiver.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
receiver.bind(("", 10000))
try:
    while True:
        message, sender = receiver.recvfrom(1024)
        print(sender, message.decode())
except KeyboardInterrupt:
    pass
