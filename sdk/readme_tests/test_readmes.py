"""The code blocks of the READMEs of Go, Java, PHP and Ruby work.

Those of Python and JavaScript are run by the tests of these packages. What is around a block, such
as the framework that calls it, is in the folder `readmes`. Each test is skipped where its language
or framework is not installed.
"""

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

SDK = Path(__file__).parents[1]
sys.path[:0] = [str(SDK), str(SDK / "python/src")]

from code_blocks import code_blocks  # noqa: E402  the folder is no package
from winnerr_webhooks_sdk.testing import sign  # noqa: E402  it is not installed here

AROUND = Path(__file__).with_name("readmes")
SECRET, OTHER = "a secret for tests", "another secret"
ENVIRONMENT = {**os.environ, "WINNERR_WEBHOOK_SECRET": SECRET}
JANE = "Jane Smith <jane@example.com>"


def needs(*tools):
    lacking = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(lacking), reason=f"{' and '.join(lacking)} not installed")


def blocks(language, heading=None):
    """The blocks of a README, or those below a heading; paths in them are made this machine's."""
    return [
        block.text.replace("…/sdk", str(SDK))
        for block in code_blocks(f"sdk/{language}/README.md")
        if block.is_code and (heading is None or block.headings[-1] == heading)
    ]


def block(language, heading):
    (only,) = blocks(language, heading)
    return only


def around(name, **parts):
    """A file of the folder `readmes`, with a block in place of each comment that is its name."""
    text = (AROUND / name).read_text("utf-8")
    for part, content in parts.items():
        (line,) = [line for line in text.splitlines() if line.strip(" \t/#<>!-") == part]
        text = text.replace(line, content)
    return text


def run(*command, folder, stdin="", environment=ENVIRONMENT):
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    output = done.stdout.decode()
    assert done.returncode == 0, output
    return output


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def receiver(*command, folder, port, environment=ENVIRONMENT):
    """Run a receiver; yields the file that it writes to, once its port is open."""
    output = Path(folder) / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        while True:
            assert process.poll() is None, output.read_text()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
        yield output
    finally:
        process.terminate()
        process.wait()


def statuses(port, path="/hooks/winnerr"):
    """How a receiver answers a genuine and a forged request."""
    found = []
    for secret in (SECRET, OTHER):
        body, headers = sign("contact.created", secret)
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                found.append(answer.status)
        except urllib.error.HTTPError as error:
            found.append(error.code)
            error.close()
    return found


# --- Go -------------------------------------------------------------------------------------------


@needs("go")
def test_go(tmp_path):
    port = free_port()
    program = block("go", "Receive in five minutes").replace(":3000", f":{port}")
    (tmp_path / "main.go").write_text(program)
    settings = block("go", "Settings")
    (tmp_path / "main_test.go").write_text(around("main_test.go", SETTINGS=settings))
    run("go", "mod", "init", "receiver", folder=tmp_path)
    run("sh", "-c", block("go", "Winnerr Webhooks for Go"), folder=tmp_path)
    run("go", "vet", "./...", folder=tmp_path)
    run("go", "test", "./...", folder=tmp_path)
    run("go", "build", "-o", "receiver", folder=tmp_path)
    with receiver("./receiver", folder=tmp_path, port=port) as output:
        assert statuses(port) == [204, 401]
    assert output.read_text().strip() == JANE


# --- Java -----------------------------------------------------------------------------------------


def maven(*words, folder):
    """Run Maven; skip the test where it cannot download what it needs."""
    try:
        run("mvn", "-q", "-B", *words, folder=folder)
    except AssertionError as error:
        if "Could not transfer artifact" in str(error) or "Unknown host" in str(error):
            pytest.skip("Maven cannot download Spring and its own plugins here")
        raise


@needs("mvn", "javac")
@pytest.mark.timeout(600)
def test_java(tmp_path):
    """Spring and the servlet run as their own test tools run them."""
    install, dependency = blocks("java", "Winnerr Webhooks for Java")
    maven(*shlex.split(install)[1:], folder=SDK.parent)
    source = tmp_path / "src/main/java"
    source.mkdir(parents=True)
    (tmp_path / "pom.xml").write_text(around("pom.xml", DEPENDENCY=dependency))
    (source / "WinnerrController.java").write_text(block("java", "Spring"))
    (source / "WinnerrServlet.java").write_text(block("java", "Servlet"))
    jackson, gson = block("java", "What an event holds").splitlines()
    settings = block("java", "Settings")
    program = around("Program.java", JACKSON=jackson, GSON=gson, SETTINGS=settings)
    (source / "Program.java").write_text(program)
    goals = ("compile", "dependency:build-classpath", "-Dmdep.outputFile=classpath")
    maven(*goals, folder=tmp_path)
    classes = f"target/classes:{(tmp_path / 'classpath').read_text()}"
    output = run("java", "-cp", classes, "Program", folder=tmp_path)
    for line in ("Spring 204", "Servlet 204", "Spring 401", "Servlet 401", "Settings true"):
        assert line in output
    assert "Jackson Zoë, Gson Zoë" in output


# --- PHP ------------------------------------------------------------------------------------------


@pytest.fixture
def php(tmp_path):
    """A folder with the package, installed as the README says; without packagist.org."""
    run("composer", "-q", "init", "--no-interaction", "--name", "a/b", folder=tmp_path)
    run("composer", "-q", "config", "repositories.packagist.org", "false", folder=tmp_path)
    run("sh", "-ec", block("php", "Winnerr Webhooks for PHP"), folder=tmp_path)
    return tmp_path


@needs("php", "composer")
def test_php(php):
    (php / "receiver.php").write_text(block("php", "Receive in five minutes"))
    port = free_port()
    command = ("php", "-S", f"127.0.0.1:{port}", "receiver.php")
    with receiver(*command, folder=php, port=port) as output:
        assert statuses(port) == [204, 401]
    assert JANE in output.read_text()
    (php / "settings.php").write_text(around("settings.php", SETTINGS=block("php", "Settings")))
    assert run("php", "settings.php", folder=php) == "Winnerr\\Webhooks\\Webhook"


@needs("php", "composer")
@pytest.mark.parametrize(
    ("framework", "file", "library"),
    [
        ("Laravel", "routes.php", "Illuminate/autoload.php"),
        ("Symfony", "controller.php", "Symfony/Component/HttpFoundation/autoload.php"),
    ],
)
def test_php_frameworks(php, framework, file, library):
    there = f"echo stream_resolve_include_path('{library}') ? 'yes' : 'no';"
    if run("php", "-r", there, folder=php) == "no":
        pytest.skip(f"{framework} not installed (Debian's package, on PHP's include path)")
    (php / file).write_text("<?php\n" + block("php", framework))
    program = f"{framework.lower()}.php"
    shutil.copy(AROUND / program, php)
    for secret, status in ((SECRET, "204"), (OTHER, "401")):
        body, headers = sign("contact.created", secret)
        output = run("php", program, json.dumps(headers), folder=php, stdin=body)
        assert output.endswith(status), output


# --- Ruby -----------------------------------------------------------------------------------------

RUBY = ENVIRONMENT | {"RUBYLIB": str(SDK / "ruby/lib")}


@needs("ruby")
def test_ruby_settings(tmp_path):
    (tmp_path / "settings.rb").write_text(around("settings.rb", SETTINGS=block("ruby", "Settings")))
    output = run("ruby", "settings.rb", folder=tmp_path, environment=RUBY)
    assert output == "WinnerrWebhooks::Webhook\n"


@needs("ruby", "bundle")
def test_ruby_bundler(tmp_path):
    (tmp_path / "Gemfile").write_text(block("ruby", "Winnerr Webhooks for Ruby"))
    code = 'require "winnerr-webhooks-sdk"; puts WinnerrWebhooks::Webhook'
    output = run("bundle", "exec", "ruby", "-e", code, folder=tmp_path)
    assert "WinnerrWebhooks::Webhook" in output


@needs("ruby", "rackup")
def test_ruby_rack(tmp_path):
    (tmp_path / "config.ru").write_text(block("ruby", "Rack and Sinatra"))
    port = free_port()
    command = ("rackup", "--quiet", "--host", "127.0.0.1", "--port", str(port))
    with receiver(*command, folder=tmp_path, port=port, environment=RUBY):
        assert statuses(port) == [204, 401]


@needs("ruby")
def test_ruby_rails(tmp_path):
    """The controller, and the request that a test of the receiver makes."""
    try:
        run("ruby", "-e", 'require "action_controller"', folder=tmp_path)
    except AssertionError:
        pytest.skip("Rails (actionpack) not installed")
    (tmp_path / "controller.rb").write_text(block("ruby", "Rails"))
    test = block("ruby", "Test your receiver")
    (tmp_path / "rails.rb").write_text(around("rails.rb", TEST=test))
    body, _ = sign("contact.created", SECRET)
    output = run("ruby", "rails.rb", folder=tmp_path, stdin=body, environment=RUBY)
    assert JANE in output
    assert "Rails 204" in output
    assert "Rails 401" in output
