#include "tests/support/private_postgres.hpp"

#include "ops/postgres/programs.hpp"
#include "storage/migrator.hpp"

#include <csignal>
#include <cstdlib>
#include <fmt/format.h>
#include <pqxx/pqxx>
#include <stdexcept>

namespace rowlock::test {
namespace {

constexpr std::string_view migrated = "rowlock_template";

// Gets SIGINT when the tests end, in whatever way (see ops::spawner), as the database does; waits for that one, then removes the folder.
constexpr const char* clean_up = R"sh(
trap 'kill $!
      test -e "$1/data/pg/postmaster.pid" && timeout 60 tail --pid="$(head -n 1 "$1/data/pg/postmaster.pid")" -f /dev/null
      rm -rf "$1"
      exit 0' INT
sleep infinity &
wait
)sh";

std::mutex running_mutex;
std::string running_url;

void set_running(std::string url)
{
    const std::lock_guard lock(running_mutex);
    running_url = std::move(url);
}

std::string database_of(const std::string& url)
{
    const auto from = url.find("@/") + 2;
    return url.substr(from, url.find('?') - from);
}

}

private_postgres& private_postgres::of_this_run()
{
    static private_postgres one;
    return one;
}

std::string private_postgres::url_of_running()
{
    const std::lock_guard lock(running_mutex);
    return running_url;
}

private_postgres::private_postgres()
{
    auto cleaner = children_.spawn({.command = {"/bin/sh", "-c", clean_up, "clean_up", folder_.path().string()}, .environment = ops::postgres_environment()});
    if (!cleaner) throw std::runtime_error(cleaner.error().detail);
    cleaner_ = std::move(*cleaner);

    const char* wanted = std::getenv("ROWLOCK_TESTS_FSYNC");
    const std::string durable = wanted && std::string_view(wanted) == "on" ? "on" : "off";
    auto started = ops::dev_postgres::start({.data_dir = data_folder(),
                                             .settings = {{"fsync", durable}, {"full_page_writes", durable}, {"max_connections", "300"}}});
    if (!started) throw std::runtime_error(started.error().detail);
    server_ = std::move(*started);
    set_running(url("postgres"));
}

private_postgres::~private_postgres()
{
    set_running({});
    // Before the folder goes, which both of them use.
    if (server_) server_->stop();
    if (cleaner_) {
        cleaner_->signal(SIGINT);
        cleaner_->wait(std::chrono::minutes(1));
    }
}

std::string private_postgres::url(std::string_view database) const
{
    std::string out = server_->url();
    const auto from = out.find("@/") + 2;
    return out.replace(from, out.find('?') - from, database);
}

std::string private_postgres::new_database(std::string_view from)
{
    const std::lock_guard held(mutex_);
    pqxx::connection session(url("postgres"));
    pqxx::nontransaction statements(session);
    if (from.empty() && !template_made_) {
        statements.exec(fmt::format("create database {} template template0", migrated));
        if (auto done = storage::migrate(url(migrated)); !done) throw std::runtime_error(done.error().detail);
        template_made_ = true;
    }
    const std::string name = fmt::format("test_{}", ++made_);
    statements.exec(fmt::format("create database {} template {}", name, from.empty() ? migrated : from));
    return url(name);
}

void private_postgres::drop_database(const std::string& url_of_it)
{
    pqxx::connection session(url("postgres"));
    pqxx::nontransaction(session).exec(fmt::format("drop database if exists {} with (force)", database_of(url_of_it)));
}

test_database::~test_database()
{
    try {
        private_postgres::of_this_run().drop_database(url_);
    } catch (const std::exception&) {
        // The database is away, by the test's own doing; all of it goes at the end.
        return;
    }
}

}
