"""A worker in Python: it declares the task "count" and runs it. SIGTERM ends it when all that it holds is recorded.
    protoc -Iproto --python_out=OUT --grpc_python_out=OUT --plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin proto/clockd/v1/*.proto
    PYTHONPATH=OUT /usr/bin/python3 client/examples/python/worker.py 127.0.0.1:7433 NAME PLACES
"""
import concurrent.futures, itertools, queue, random, signal, sys, threading, time, uuid
import grpc
from google.protobuf import json_format, struct_pb2
from clockd.v1 import task_pb2, trigger_pb2, worker_service_pb2 as pb, worker_service_pb2_grpc as rpc


class Attempt:
    def __init__(self, worker, order):
        self.worker, self.ref, self.result = worker, {"run_id": order.run_id, "attempt": order.attempt}, None
        self.input = json_format.MessageToDict(order.input) if order.HasField("input") else None
        self.canceled = threading.Event()  # what it does is not wanted any more

    def write(self, text):  # at most 64 KiB
        self.worker.say(output=pb.WorkerOutput(data=text.encode(), **self.ref))

    def progress(self, fraction, message=""):
        self.worker.say(progress=pb.WorkerProgress(fraction=fraction, message=message, **self.ref))

    def make(self, function):
        try:
            self.result = pb.WorkerResult(output=json_format.ParseDict(function(self), struct_pb2.Value()), **self.ref)
        except Exception as e:
            self.result = pb.WorkerResult(error=repr(e), **self.ref)
        self.worker.say(result=self.result)  # and after the next hello, if it is not recorded by then


class Worker:
    def __init__(self, address, name, places, functions, specs):
        self.hello = dict(worker_id=str(uuid.uuid4()), worker_name=name, places=places, tasks=specs, task_names=functions)
        self.functions, self.held, self.draining, self.count = functions, {}, False, itertools.count(1)
        self.out, self.threads = queue.PriorityQueue(), concurrent.futures.ThreadPoolExecutor(places)
        self.stub = rpc.WorkerServiceStub(grpc.insecure_channel(address, [("grpc.max_reconnect_backoff_ms", 2000)]))

    def say(self, **message):  # pongs go first, the rest in the order in which it is said
        self.out.put(("pong" not in message, next(self.count), pb.WorkRequest(**message)))

    def drain(self):
        self.draining = True
        self.say(drain=pb.WorkerDrain())
        if not self.held:
            self.out.put((2, 0, None))  # after all else: there is nothing more to say

    def connect(self):
        out, held = queue.PriorityQueue(), list(self.held.values())
        out.put((False, 0, pb.WorkRequest(hello=pb.WorkerHello(held=[pb.AttemptRef(**a.ref) for a in held], **self.hello))))
        call = self.stub.Work(iter(lambda: out.get()[2], None))
        self.out, self.watch = out, threading.Timer(60, call.cancel)  # runs out when nothing was heard for a lease
        [self.say(result=a.result) for a in held if a.result]
        for answer in call:
            m = getattr(answer, kind := answer.WhichOneof("message"))
            key = (getattr(m, "run_id", ""), getattr(m, "attempt", 0))
            if kind == "welcome":
                print("connected", *m.warnings, flush=True)
                lease = m.lease.ToNanoseconds() / 1e9
            elif kind == "ping":
                self.say(pong=pb.Pong(sequence=m.sequence))
            elif kind == "assignment":
                self.held[key] = Attempt(self, m)
                self.threads.submit(self.held[key].make, self.functions[m.task_name])
            elif kind == "cancel" and key in self.held:
                self.held[key].canceled.set()
            elif kind == "recorded":
                print("late" if m.late else "recorded", *key, flush=True)
                self.held.pop(key, None)
            if kind in ("welcome", "recorded") and self.draining:
                self.drain()
            self.watch.cancel()
            self.watch = threading.Timer(lease, call.cancel)
            self.watch.start()

    def run(self):
        while not self.draining or self.held:
            try:
                self.connect()
            except grpc.RpcError as e:
                print("disconnected", e.code().name, e.details(), flush=True)
                self.out.put((-1, 0, None))  # nobody reads it any more; a hello that was not read is (0, 0)
                time.sleep(random.uniform(0.1, 1))
            self.watch.cancel()

def count(attempt):
    want = attempt.input or {"to": 3, "pause": 1}  # a fire has no input
    for i in range(1, int(want["to"]) + 1):
        if attempt.canceled.wait(want["pause"]):
            raise RuntimeError("canceled")
        attempt.write(f"{i}\n")
        attempt.progress(i / want["to"], f"counted to {i}")
    return {"counted": i}


if __name__ == "__main__":
    hourly = trigger_pb2.Trigger(every=trigger_pb2.Every(interval={"seconds": 3600}))
    worker = Worker(sys.argv[1], sys.argv[2], int(sys.argv[3]), {"count": count}, [task_pb2.TaskSpec(task_name="count", trigger=hourly)])
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=worker.drain).start())
    worker.run()
