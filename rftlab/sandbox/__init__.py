"""All that runs what a model wrote; it knows no verifier.

Public: `python` (Sandbox: code against test cases), `library` (IsolatedWorker: a library's function on hostile text),
`values` (plain data to text and back). `worker` starts a process and asks it; `zygote`, `inside`, `lockdown` and
`canaries` are what runs inside. `plain` and `plain_child` are an ordinary process, for systems that cannot fork.
"""
