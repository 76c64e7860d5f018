"""A cluster and a mesh in one process: `--cluster model`, with hundreds of faults as switches.

The API server is the lab's own (`smi_conformance.lab.api`), called without a socket. Pods have no processes:
they become ready at once, and their traffic is answered by the mesh of this package, which decides by the
oracle of `smi_conformance.model`. Time is virtual. Traffic goes

    stored objects -> manifests -> World -> view of one pod -> choice of Service -> endpoint -> admission -> reply

and a fault changes one step of this way. It stands in a module `faults_*.py` of this package (all are loaded):

    @fault("TA-050/last-policy-wins", "of several TrafficTargets only the last one counts", WORLD)
    def last_policy_wins(world: World) -> World:
        return by_destination(world, lambda targets: targets[-1:])

A fault is a function, or a class whose instances are called: one that has to remember is a class, made anew for
each run. Several decorators with one name act at several steps. `luck` of a request is a random number from 0 to
1 of its own. Requests, Pods, Services and SMI objects are frozen: use `dataclasses.replace`.

MANIFEST    (manifest) -> manifest or None. Objects as the controller reads them; None: it never sees this one.
            `kind="TrafficTarget"` and `versions=("v1alpha1",)` limit it to such manifests; without, it gets all,
            pods and Services too. Called once for each change of an object; the manifest is a copy to be changed:
                @fault("TA-080/port-lost", "destination.port is lost", MANIFEST, kind="TrafficTarget")
                def port_lost(manifest: Manifest) -> Manifest:
                    fields_of(manifest)["destination"].pop("port", None)
                    return manifest
WORLD       (world) -> World. All that the mesh knows, once for each change of it: most controller faults.
VIEW        (world, pod) -> World. What one pod's proxy knows: of a client for choices, of a server for admission.
PAST        (world, history, pod, now) -> World. The same with a sense of time (seconds): `history.at(now - 8)` is
            what the mesh knew eight seconds ago, `history.changed()` when it learned something last. For whatever
            is stale or fails for a while.
ADMISSION   (inner, world, request, pod, port) -> bool. Whether the pod's proxy lets a request in. `inner` is the
            same without the fault, and may be asked about another request:
                @fault("TS-020/override-header-honoured", "...", ADMISSION)
                def override(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
                    method = header_of(request, "x-http-method-override", request.method)
                    return inner(world, replace(request, method=method), pod, port)
            A leak: `return inner(world, request, pod, port) or request.luck < 0.01`.
CHOICES     (inner, world, request) -> tuple[Choice, ...]. The Services, with weights, that share such requests.
ENDPOINTS   (inner, world, choice, request) -> tuple[Endpoint, ...]. The pods and ports behind one choice.
PROXY       (inner, exchange) -> Answer. One request on its connection, from the client's proxy to the answer;
            `inner(exchange)` carries it; called twice it is sent twice. `exchange` has the request, the world, the
            connection (`connection.memory`: a dict that lives as long as it; `connection.count`: requests before),
            and the single steps: `pick()` -> Endpoint or None, `admitted(endpoint)`, `deliver(endpoint, request=None)`
            (the server sees it and its echo is the answer), `refuse()` (the mesh's way to deny); answers are values:
                @fault("TA-040/response-dropped", "denied requests arrive and get no answer", PROXY)
                def response_dropped(inner: Carry, exchange: Exchange) -> Answer:
                    ...exchange.deliver(endpoint); return exchange.refuse()
LOOKUP      (inner, world, client, name) -> Service, Pod or None. What a name or address stands for.
CRD         (crd) -> crd or None. A CustomResourceDefinition on its way into the API server.
STORED      (object) -> object. An SMI object as it is written, after validation. `kind`, `versions` as above.
SERVED      (object) -> object. An SMI object as it is read by the suite (not by the mesh). `kind`, `versions`.
CONVERSION  (converted, original) -> object. An SMI object on its way to another version, when it is read there.
            `kind` and `versions` (those it is converted to) limit it.
API         (inner, call) -> (status, body). Any request to the API server; `call` has method, path, query, body.
NOTED       (kept, request, server, context) -> bool. Whether a request is counted; `server` is the name of the pod.
ASKED       (ask, context) -> Ask. A request to the metrics API as it is taken; `context` is a metrics.Context.
COUNTED     (flows, ask, context) -> Flows. The counts that an answer of the metrics API is made from.
LISTED      (items, ask, context) -> items. The items of a list of metrics; a single object is a list of one.
ANSWERED    (answer, ask, context) -> (status, body). What the metrics API answers in the end.
DIRECT      (answer, step) -> Answer. A request to the metrics server that does not come from the API server.
EVENTS      (notices) -> notices. What the mesh tells about objects that make no sense (see notices.Notice).

Every fault of the register for a requirement that has a scenario is a switch here, or stands in UNOBSERVABLE of
`switchboard` with the reason why no traffic can show it.
"""
