#include "ops/dev_postgres.hpp"
#include "ops/postgres/child.hpp"
#include "ops/postgres/leftovers.hpp"
#include "tests/support/scratch_folder.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <iostream>
#include <iterator>
#include <poll.h>
#include <pqxx/pqxx>
#include <sys/stat.h>
#include <unistd.h>

// Everything that a person's `rowlock dev --data DIR` can meet.

namespace {

namespace fs = std::filesystem;
using namespace rowlock;
using ops::dev_postgres;
using test::scratch_folder;

// Waiting for the disk is not what these tests are about, except where they look at it.
dev_postgres start(const fs::path& folder)
{
    auto started = dev_postgres::start({.data_dir = folder, .settings = {{"fsync", "off"}}});
    if (!started) FAIL(started.error().detail);
    return std::move(*started);
}

error refusal(const fs::path& folder)
{
    auto started = dev_postgres::start({.data_dir = folder, .settings = {{"fsync", "off"}}});
    REQUIRE_FALSE(started.has_value());
    return started.error();
}

std::string one_value(const dev_postgres& server, const std::string& query)
{
    pqxx::connection session(server.url());
    return pqxx::nontransaction(session).exec1(query)[0].c_str();
}

void run(const dev_postgres& server, const std::string& statement)
{
    pqxx::connection session(server.url());
    pqxx::nontransaction(session).exec(statement);
}

std::string text_of(const fs::path& file)
{
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

void write(const fs::path& file, std::string_view text, fs::perms mode = fs::perms(0644))
{
    std::ofstream(file) << text;
    fs::permissions(file, mode);
}

unsigned mode_of(const fs::path& file)
{
    struct stat found {};
    REQUIRE(::stat(file.c_str(), &found) == 0);
    return found.st_mode & 07777u;
}

pid_t postmaster_of(const fs::path& folder)
{
    return std::stoi(text_of(folder / "pg" / "postmaster.pid"));
}

bool readable(int fd)
{
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&waiting, 1, 10'000) == 1;
}

// For the life of one test.
class environment_variable {
public:
    environment_variable(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
    environment_variable(const environment_variable&) = delete;
    environment_variable& operator=(const environment_variable&) = delete;
    ~environment_variable() { ::unsetenv(name_); }

private:
    const char* name_;
};

}

TEST_CASE("the first start makes a durable cluster that only its owner can reach, and tells its url", "[pg][dev_postgres]")
{
    const scratch_folder scratch;
    const fs::path folder = scratch.path() / "made" / "on the way";
    auto started = dev_postgres::start({.data_dir = folder});
    if (!started) FAIL(started.error().detail);
    CHECK(started->running());
    CHECK(text_of(folder / "database_url") == started->url() + "\n");
    CHECK(mode_of(folder / "database_url") == 0600u);
    CHECK(mode_of(folder / "sockets") == 0700u);
    CHECK(one_value(*started, "show fsync") == "on");
    CHECK(one_value(*started, "show synchronous_commit") == "on");
    CHECK(one_value(*started, "show listen_addresses").empty());
    CHECK(one_value(*started, "select current_database() || pg_encoding_to_char(encoding) || datcollate from pg_database where datname = current_database()") ==
          "rowlockUTF8C.UTF-8");
    CHECK_FALSE(fs::exists(folder / "pg.tmp"));
}

TEST_CASE("a cluster outlives its servers, however they and it end", "[pg][dev_postgres]")
{
    const scratch_folder scratch;
    const fs::path folder = scratch.path() / "data";
    {
        auto first = start(folder);
        run(first, "create table kept as select 1 as n");

        INFO("a second owner is refused, and the first is not disturbed");
        const auto second = refusal(folder);
        CHECK(second.code == errc::invalid_request);
        CHECK_THAT(second.detail, Catch::Contains("in use by another rowlock dev (process " + std::to_string(::getpid()) + ")"));
        CHECK(one_value(first, "select n from kept") == "1");

        INFO("a postmaster that is killed is noticed and started again");
        REQUIRE(::kill(postmaster_of(folder), SIGKILL) == 0);
        REQUIRE(readable(first.watch_fd()));
        CHECK_FALSE(first.running());
        const auto again = first.ensure_running();
        if (!again) FAIL(again.error().detail);
        CHECK(first.running());
        CHECK(one_value(first, "update kept set n = n + 1 returning n") == "2");

        INFO("one that runs is left alone");
        const auto before = postmaster_of(folder);
        CHECK(first.ensure_running().has_value());
        CHECK(postmaster_of(folder) == before);

        first.stop();
        CHECK_FALSE(first.running());
        CHECK(first.watch_fd() == -1);
        CHECK_FALSE(fs::exists(folder / "pg" / "postmaster.pid"));
        CHECK(first.ensure_running().error().code == errc::stopping);
    }

    // Process 1 lives, as the new owner of a number may.
    write(folder / "pg" / "postmaster.pid", "1\n" + (folder / "pg").string() + "\n1700000000\n5432\n\n\n\n");
    write(folder / "sockets" / ".s.PGSQL.5432.lock", "1\n");
    fs::create_directory(folder / "pg.tmp");
    const auto second = start(folder);
    CHECK(one_value(second, "select n from kept") == "2");
}

TEST_CASE("a folder that a crash left half made is made again", "[pg][dev_postgres]")
{
    const scratch_folder scratch;
    fs::create_directories(scratch.path() / "pg.tmp" / "base");
    write(scratch.path() / "pg.tmp" / "PG_VERSION", "15\n");
    const auto server = start(scratch.path());
    CHECK(one_value(server, "select 1") == "1");
    CHECK_FALSE(fs::exists(scratch.path() / "pg.tmp"));
}

TEST_CASE("holds a data folder until it is killed", "[.][dev_postgres_holder]")
{
    const char* folder = std::getenv("ROWLOCK_TEST_FOLDER");
    REQUIRE(folder);
    const auto server = start(folder);
    run(server, "create table kept as select 1 as n");
    std::cout << "ready" << std::endl;
    for (;;) ::pause();
}

TEST_CASE("the database of a server that is killed stops by itself, and the next server takes over", "[pg][dev_postgres]")
{
    const scratch_folder scratch;
    const fs::path folder = scratch.path() / "data";
    int output[2];
    REQUIRE(::pipe2(output, O_CLOEXEC) == 0);
    ops::spawner children;
    const std::string path = std::getenv("PATH");
    auto holder = children.spawn({.command = {fs::read_symlink("/proc/self/exe").string(), "[dev_postgres_holder]"},
                                  .environment = {"ROWLOCK_TEST_FOLDER=" + folder.string(), "PATH=" + path},
                                  .output = output[1]});
    ::close(output[1]);
    REQUIRE(holder.has_value());
    std::string said;
    char part[256];
    for (ssize_t got = 1; got > 0 && said.find("ready") == std::string::npos; said.append(part, static_cast<std::size_t>(std::max<ssize_t>(got, 0))))
        got = ::read(output[0], part, sizeof part);
    ::close(output[0]);
    INFO(said);
    REQUIRE_THAT(said, Catch::Contains("ready"));

    holder->signal(SIGKILL);
    REQUIRE(holder->wait(std::chrono::seconds(10)).has_value());
    const auto server = start(folder);
    CHECK(one_value(server, "select n from kept") == "1");
    CHECK_THAT(text_of(folder / "postgres.log"), Catch::Contains("received fast shutdown request") && Catch::Contains("database system was shut down at"));
}

TEST_CASE("a data folder whose name does not suit a socket gets its sockets elsewhere, and they are removed at the end", "[pg][dev_postgres]")
{
    struct row {
        const char* why;
        fs::path name;
    };
    const auto r = GENERATE(values<row>({
        {"a socket's path has at most 107 bytes", fs::path(std::string(60, 'a')) / std::string(60, 'b')},
        {"libpq takes a comma for the end of a host", "a, b"},
    }));
    INFO(r.why);
    const scratch_folder scratch;
    auto server = start(scratch.path() / r.name);
    CHECK(one_value(server, "select 1") == "1");
    const fs::path sockets = one_value(server, "show unix_socket_directories");
    CHECK(sockets.native().size() < 100);
    CHECK(sockets.native().find(',') == std::string::npos);
    CHECK(mode_of(sockets) == 0700u);
    server.stop();
    CHECK_FALSE(fs::exists(sockets));
}

TEST_CASE("root's closed folders are no obstacle", "[pg][dev_postgres]")
{
    if (::geteuid() != 0) return;
    const scratch_folder scratch;
    fs::permissions(scratch.path(), fs::perms::owner_all);
    const auto server = start(scratch.path() / "data");
    CHECK(one_value(server, "select 1") == "1");
}

TEST_CASE("what stands in the way of a start is said once, and loses nothing", "[pg][dev_postgres]")
{
    const scratch_folder scratch;
    const fs::path folder = scratch.path() / "data";

    SECTION("PostgreSQL is not installed")
    {
        const environment_variable nowhere("PG_BIN", "/nowhere");
        const auto said = refusal(folder);
        CHECK(said.code == errc::invalid_request);
        CHECK_THAT(said.detail, Catch::Contains("looked in /nowhere") && Catch::Contains("PG_BIN"));
    }
    SECTION("the cluster was made by another major version")
    {
        fs::create_directories(folder / "pg");
        write(folder / "pg" / "PG_VERSION", "9\n");
        if (::geteuid() == 0) REQUIRE(::chown((folder / "pg").c_str(), 1, 1) == 0);
        const auto said = refusal(folder);
        CHECK(said.code == errc::invalid_request);
        CHECK_THAT(said.detail, Catch::Contains("was made by PostgreSQL 9") && Catch::Contains("found: "));
    }
    SECTION("the folder of the cluster is something else")
    {
        fs::create_directories(folder / "pg");
        write(folder / "pg" / "mine", "");
        const auto said = refusal(folder);
        CHECK(said.code == errc::invalid_request);
        CHECK_THAT(said.detail, Catch::Contains("is not a PostgreSQL cluster"));
        CHECK(fs::exists(folder / "pg" / "mine"));
    }
    SECTION("the data folder is a file")
    {
        write(folder, "");
        CHECK_THAT(refusal(folder).detail, Catch::Contains("is not a folder"));
    }
    SECTION("initdb fails, as on a full disk")
    {
        const fs::path programs = scratch.path() / "bin";
        fs::create_directory(programs);
        write(programs / "initdb", "#!/bin/sh\necho 'creating subdirectories ... ok'\ntouch \"$2/PG_VERSION\"\necho 'could not write: No space left on device' >&2\nexit 1\n",
              fs::perms(0755));
        write(programs / "postgres", "#!/bin/sh\necho 'postgres (PostgreSQL) 15.1'\n", fs::perms(0755));
        {
            const environment_variable fake("PG_BIN", programs.string());
            const auto said = refusal(folder);
            CHECK(said.code == errc::database_unavailable);
            CHECK_THAT(said.detail, Catch::Contains("initdb ended with exit code 1") && Catch::Contains("No space left on device"));
        }
        CHECK_FALSE(fs::exists(folder / "pg.tmp"));
        CHECK_FALSE(fs::exists(folder / "pg"));
        CHECK(start(folder).running());
    }
    SECTION("the database refuses to start")
    {
        start(folder).stop();
        const std::string good = text_of(folder / "pg" / "postgresql.conf");
        write(folder / "pg" / "postgresql.conf", good + "\nshared_buffers = much\n", fs::perms(0644));
        const auto said = refusal(folder);
        CHECK(said.code == errc::database_unavailable);
        CHECK_THAT(said.detail, Catch::Contains("ended with exit code 1") && Catch::Contains("shared_buffers"));
        write(folder / "pg" / "postgresql.conf", good, fs::perms(0644));
        CHECK(start(folder).running());
    }
}
