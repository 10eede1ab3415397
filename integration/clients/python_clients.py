"""Runs code in a session with one of the clients that are Python libraries.

    python_clients.py pylivy|livyc URL TOKEN

URL is that of a gateway. What is printed is what the session computed.
"""
import sys


def pylivy(url: str, token: str) -> None:
    import pandas
    from livy import LivySession, SessionKind

    with LivySession.create(url, auth=("any", token), kind=SessionKind.PYSPARK, echo=False) as session:
        session.wait()
        print(session.run("df = spark.range(1, 101).groupBy().sum('id')\nprint(df.first()[0])").text)
        print("downloaded", session.download("df").iloc[0, 0])
        session.upload("sent", pandas.DataFrame({"a": [1, 2, 3]}))
        print("uploaded", session.run("print(sent.count())").text)


def livyc(url: str, token: str) -> None:
    from livyc import livyc as module

    # It puts its two settings together again, and takes no login.
    host, _, rest = url.removeprefix("http://").partition(":")
    client = module.LivyC({"livy_server_url": f"any:{token}@{host}", "port": rest, "jars": []})
    session = client.create_session()
    again(client.run_script, session, "total = sum(range(1, 101))")
    print(again(client.read_variable, session, "total"))


def again(run, *args):
    """Repeats what fails because Livy shows a statement as available, but without its output.

    Livy reads the output and the state one after the other while the statement ends.
    """
    for _ in range(3):
        try:
            return run(*args)
        except TypeError as error:
            if "NoneType" not in str(error):
                raise
    return run(*args)


if __name__ == "__main__":
    {"pylivy": pylivy, "livyc": livyc}[sys.argv[1]](*sys.argv[2:])
