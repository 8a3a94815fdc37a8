"""twist.py FILE: twisted's web server and client, and line protocols."""
import sys

from twisted.internet import defer, protocol, reactor, task
from twisted.protocols import basic
from twisted.web import client, resource, server

PAGE = open(sys.argv[1], "rb").read()


class Page(resource.Resource):
    isLeaf = True

    def render_GET(self, request):
        return PAGE


class Reverse(basic.LineReceiver):
    def lineReceived(self, line):
        self.sendLine(line[::-1])


class Asks(basic.LineReceiver):
    def __init__(self):
        self.done = defer.Deferred()
        self.left = 200

    def connectionMade(self):
        self.sendLine(b"line 200")

    def lineReceived(self, line):
        assert line == (b"line %d" % self.left)[::-1]
        self.left -= 1
        if self.left:
            self.sendLine(b"line %d" % self.left)
        else:
            self.transport.loseConnection()

    def connectionLost(self, reason):
        assert self.left == 0
        self.done.callback(None)


@defer.inlineCallbacks
def main(reactor):
    port = reactor.listenTCP(0, server.Site(Page()), interface="127.0.0.1")
    agent = client.Agent(reactor)
    url = b"http://127.0.0.1:%d/" % port.getHost().port
    answers = yield defer.gatherResults([agent.request(b"GET", url) for i in range(8)])
    bodies = yield defer.gatherResults([client.readBody(answer) for answer in answers])
    assert bodies == [PAGE] * 8
    factory = protocol.Factory.forProtocol(Reverse)
    lines = reactor.listenTCP(0, factory, interface="127.0.0.1")
    asks = protocol.ClientCreator(reactor, Asks)
    peers = yield defer.gatherResults(
        [asks.connectTCP("127.0.0.1", lines.getHost().port) for i in range(10)])
    yield defer.gatherResults([peer.done for peer in peers])


task.react(main)
