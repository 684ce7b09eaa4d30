#pragma once

#include "ops/postgres/child.hpp"
#include "ops/postgres/programs.hpp"
#include "tests/support/scratch_folder.hpp"

#include <array>
#include <filesystem>
#include <optional>
#include <string>

namespace rowlock::test {

// Two PostgreSQL servers on loopback, a primary with a migrated database and its synchronous standby, that may be harmed in every way.
// Each has a small file system of its own, where this process may mount one. Both are children of this process, and stop with it.
// Everything blocks, and throws where it fails.
class postgres_pair {
public:
    postgres_pair();
    ~postgres_pair();
    postgres_pair(const postgres_pair&) = delete;
    postgres_pair& operator=(const postgres_pair&) = delete;

    // Both hosts, whichever is the primary: for servers, with a role that only works with the database, ...
    std::string service_url() const;
    // ... and for tests, with one that may do everything.
    std::string url() const;

    // The role of service_url().
    static constexpr const char* service = "service";

    // An immediate restart of the primary: no checkpoint, no word to its clients.
    void restart_at_once();
    // kill -9 of the primary and of all its processes; and its start, with recovery.
    void kill();
    void start();
    // kill -9 of the primary, and promotion of the standby, which has everything that was acknowledged.
    void fail_over();
    // Makes a new synchronous standby where the old primary was.
    void rebuild_standby();

    // May file systems be mounted here? Only then can one be filled.
    bool has_own_disks() const { return own_disks_; }
    // Takes all space that is left to the primary, for its data and its WAL; and gives it back, and starts it if that was too much for it.
    void fill_disk();
    void free_disk();

private:
    struct node {
        std::filesystem::path disk;
        int port = 0;
        std::optional<ops::child> postmaster{};
        std::filesystem::path data() const { return disk / "data"; }
    };

    node& primary() { return nodes_[primary_]; }
    node& standby() { return nodes_[1 - primary_]; }
    std::string url_of(const node& n, const std::string& database) const;
    void mount_disks();
    void run(std::vector<std::string> command);
    void launch(node& n);
    void end_at_once(node& n);
    void make_standby();
    void execute(const node& on, const std::string& sql);
    std::string ask(const node& on, const std::string& sql);

    scratch_folder folder_;
    ops::spawner children_;
    ops::postgres_programs programs_;
    std::optional<ops::account> owner_;
    std::optional<ops::child> cleaner_;
    std::string password_;
    std::array<node, 2> nodes_;
    std::size_t primary_ = 0;
    bool own_disks_ = false;
};

}
