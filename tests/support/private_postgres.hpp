#pragma once

#include "ops/dev_postgres.hpp"
#include "ops/postgres/child.hpp"
#include "tests/support/scratch_folder.hpp"

#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace rowlock::test {

// The cluster of this run of the tests: made at its first use, stopped and removed at the end, also when the tests crash. It does not
// wait for the disk (a crash of the machine may eat it) unless ROWLOCK_TESTS_FSYNC=on is set.
class private_postgres {
public:
    // The one of this process. Throws where PostgreSQL cannot be started, with the reason.
    static private_postgres& of_this_run();
    // Of its database `postgres`, where it has been started; else empty. Any thread.
    static std::string url_of_running();

    // Makes a database with a name of its own and returns its url: a copy of `from`, by default of one that is migrated already.
    // "template0" makes an empty one.
    std::string new_database(std::string_view from = "");
    // Ends the sessions of the database of this url and removes it.
    void drop_database(const std::string& url);

    std::string url(std::string_view database) const;
    // For tests that kill it or make it start again.
    ops::dev_postgres& server() { return *server_; }
    // DIR of dev_postgres: DIR/pg is the cluster.
    std::filesystem::path data_folder() const { return folder_.path() / "data"; }

private:
    private_postgres();
    ~private_postgres();

    scratch_folder folder_;
    ops::spawner children_;
    std::optional<ops::child> cleaner_;
    std::optional<ops::dev_postgres> server_;
    std::mutex mutex_;
    bool template_made_ = false;
    int made_ = 0;
};

// A migrated database for one test case.
class test_database {
public:
    explicit test_database(std::string_view from = "") : url_(private_postgres::of_this_run().new_database(from)) {}
    test_database(const test_database&) = delete;
    test_database& operator=(const test_database&) = delete;
    ~test_database();

    const std::string& url() const { return url_; }

private:
    std::string url_;
};

}
