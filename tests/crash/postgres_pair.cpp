#include "tests/crash/postgres_pair.hpp"

#include "storage/migrator.hpp"
#include "storage/model/ids.hpp"
#include "tests/crash/loopback_port.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/program.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <pqxx/pqxx>
#include <pwd.h>
#include <sys/mount.h>
#include <unistd.h>

namespace rowlock::test {

namespace fs = std::filesystem;

namespace {

constexpr const char* admin = "admin";
constexpr const char* disk_size = "512m";
constexpr auto program_limit = std::chrono::minutes(2);

// Gets SIGINT when the tests end, in whatever way, as the servers do.
constexpr const char* clean_up = R"sh(
trap 'kill $!
      for disk in "$1/a" "$1/b"; do
        test -e "$disk/data/postmaster.pid" && timeout 60 tail --pid="$(head -n 1 "$disk/data/postmaster.pid")" -f /dev/null
        umount -l "$disk" 2>/dev/null
      done
      rm -rf "$1"
      exit 0' INT
sleep infinity &
wait
)sh";

// PostgreSQL refuses to run as root.
std::optional<ops::account> postgres_account()
{
    if (::geteuid() != 0) return std::nullopt;
    const passwd* found = ::getpwnam("postgres");
    if (!found) throw std::runtime_error("there is no user postgres");
    return ops::account{found->pw_uid, found->pw_gid, "postgres"};
}

ops::postgres_programs installed(ops::spawner& children)
{
    auto found = ops::find_postgres_programs(children, 0);
    if (!found) throw std::runtime_error(found.error().detail);
    return *found;
}

// The processes whose parent this is.
std::vector<pid_t> children_of(pid_t parent)
{
    std::vector<pid_t> found;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const auto name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        const auto stat = text_of_file(entry.path() / "stat");
        const auto name_end = stat.rfind(')');
        if (name_end == std::string::npos || stat.size() < name_end + 4) continue;
        if (std::stoi(stat.substr(name_end + 4)) == parent) found.push_back(std::stoi(name));
    }
    return found;
}

}

postgres_pair::postgres_pair() : programs_(installed(children_)), owner_(postgres_account()), password_(random_uuid().str())
{
    nodes_[0].disk = folder_.path() / "a";
    nodes_[1].disk = folder_.path() / "b";
    for (auto& each : nodes_) each.port = unused_loopback_port();
    auto cleaner = children_.spawn({.command = {"/bin/sh", "-c", clean_up, "clean_up", folder_.path().string()}, .environment = ops::postgres_environment()});
    if (!cleaner) throw std::runtime_error(cleaner.error().detail);
    cleaner_ = std::move(*cleaner);
    mount_disks();

    const auto secret = folder_.path() / "password";
    write_file(secret, password_ + "\n");
    if (owner_ && ::chown(secret.c_str(), owner_->uid, owner_->gid) != 0) throw std::runtime_error("cannot give away " + secret.string());
    run({"initdb", "-D", primary().data().string(), "-U", admin, "--pwfile=" + secret.string(), "-A", "scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--wal-segsize=1",
         "--no-sync"});
    launch(primary());
    pqxx::connection session(url_of(primary(), "postgres"));
    pqxx::nontransaction(session).exec("create database rowlock");
    if (const auto migrated = storage::migrate(url_of(primary(), "rowlock")); !migrated) throw std::runtime_error(migrated.error().detail);
    execute(primary(), fmt::format("create role {} login password '{}' in role rowlock_app", service, password_));
    make_standby();
}

postgres_pair::~postgres_pair()
{
    for (auto& each : nodes_) {
        if (each.postmaster) each.postmaster->signal(SIGQUIT);
    }
    for (auto& each : nodes_) {
        if (each.postmaster) each.postmaster->wait(std::chrono::seconds(30));
        each.postmaster.reset();
        if (own_disks_) ::umount2(each.disk.c_str(), MNT_DETACH);
    }
    cleaner_->signal(SIGINT);
    cleaner_->wait(std::chrono::minutes(1));
}

void postgres_pair::mount_disks()
{
    const auto options = fmt::format("size={},mode=0700,uid={},gid={}", disk_size, owner_ ? owner_->uid : ::geteuid(), owner_ ? owner_->gid : ::getegid());
    own_disks_ = true;
    for (const auto& each : nodes_) {
        fs::create_directory(each.disk);
        if (::mount("tmpfs", each.disk.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options.c_str()) == 0) continue;
        own_disks_ = false;
        if (owner_ && ::chown(each.disk.c_str(), owner_->uid, owner_->gid) != 0) throw std::runtime_error("cannot give away " + each.disk.string());
    }
}

std::string postgres_pair::url_of(const node& n, const std::string& database) const
{
    return fmt::format("postgresql://{}:{}@127.0.0.1:{}/{}?connect_timeout=10", admin, password_, n.port, database);
}

std::string postgres_pair::service_url() const
{
    return fmt::format("postgresql://{}:{}@127.0.0.1:{},127.0.0.1:{}/rowlock?target_session_attrs=read-write", service, password_, nodes_[0].port, nodes_[1].port);
}

std::string postgres_pair::url() const
{
    return fmt::format("postgresql://{}:{}@127.0.0.1:{},127.0.0.1:{}/rowlock?target_session_attrs=read-write", admin, password_, nodes_[0].port, nodes_[1].port);
}

void postgres_pair::run(std::vector<std::string> command)
{
    const auto name = command.front();
    command.front() = (programs_.folder / name).string();
    auto ran = ops::run_program(children_, {.command = std::move(command), .environment = ops::postgres_environment(), .as = owner_}, program_limit);
    if (!ran) throw std::runtime_error(ran.error().detail);
    if (!ran->succeeded()) throw std::runtime_error(name + " failed: " + ran->output);
}

void postgres_pair::execute(const node& on, const std::string& sql)
{
    pqxx::connection session(url_of(on, "rowlock"));
    pqxx::nontransaction(session).exec(sql);
}

std::string postgres_pair::ask(const node& on, const std::string& sql)
{
    pqxx::connection session(url_of(on, "rowlock"));
    const auto rows = pqxx::nontransaction(session).exec(sql);
    return rows.empty() || rows[0][0].is_null() ? "" : rows[0][0].c_str();
}

void postgres_pair::launch(node& n)
{
    const auto log = folder_.path() / fmt::format("{}.log", n.disk.filename().string());
    const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    std::vector<std::string> command{(programs_.folder / "postgres").string(), "-D", n.data().string()};
    for (const auto& setting : {fmt::format("port={}", n.port), std::string("listen_addresses=127.0.0.1"), std::string("unix_socket_directories="),
                                "cluster_name=rowlock_" + n.disk.filename().string(), std::string("max_connections=80"), std::string("shared_buffers=32MB"),
                                std::string("wal_level=replica"), std::string("min_wal_size=4MB"), std::string("max_wal_size=64MB"), std::string("wal_keep_size=64MB"),
                                // Nothing here has to outlive the machine; a process that is killed leaves what it wrote.
                                std::string("fsync=off"), std::string("wal_retrieve_retry_interval=200ms"), std::string("jit=off")}) {
        command.insert(command.end(), {"-c", setting});
    }
    auto started = children_.spawn({.command = std::move(command), .environment = ops::postgres_environment(), .as = owner_, .output = output});
    ::close(output);
    if (!started) throw std::runtime_error(started.error().detail);
    n.postmaster = std::move(*started);
    eventually("PostgreSQL accepts connections", [&] {
        if (!n.postmaster->running()) throw std::runtime_error("PostgreSQL has ended: " + text_of_file(log).substr(0, 100'000));
        try {
            const pqxx::connection session(url_of(n, "postgres"));
            return true;
        } catch (const pqxx::failure&) {
            return false;
        }
    });
}

void postgres_pair::end_at_once(node& n)
{
    if (!n.postmaster) return;
    if (n.postmaster->running()) {
        // It makes no new processes while the ones that it has are counted.
        n.postmaster->signal(SIGSTOP);
        const auto all = children_of(n.postmaster->pid());
        n.postmaster->signal(SIGKILL);
        for (const auto pid : all) ::kill(pid, SIGKILL);
    }
    if (!n.postmaster->wait(std::chrono::seconds(30))) throw std::runtime_error("PostgreSQL survives kill -9");
    n.postmaster.reset();
}

void postgres_pair::make_standby()
{
    auto& n = standby();
    run({"pg_basebackup", "-D", n.data().string(), "-d", url_of(primary(), "postgres"), "-X", "stream", "-R", "-c", "fast", "--no-sync"});
    launch(n);
    eventually("the standby follows", [&] { return ask(primary(), "select count(*) from pg_stat_replication where state = 'streaming'") == "1"; });
    execute(primary(), "alter system set synchronous_standby_names = '*'");
    execute(primary(), "select pg_reload_conf()");
    eventually("the standby is synchronous", [&] { return ask(primary(), "select count(*) from pg_stat_replication where sync_state = 'sync'") == "1"; });
}

void postgres_pair::restart_at_once()
{
    primary().postmaster->signal(SIGQUIT);
    if (!primary().postmaster->wait(std::chrono::seconds(30))) throw std::runtime_error("PostgreSQL does not end at once");
    launch(primary());
}

void postgres_pair::kill()
{
    end_at_once(primary());
}

void postgres_pair::start()
{
    launch(primary());
}

void postgres_pair::fail_over()
{
    eventually("the standby is synchronous", [&] { return ask(primary(), "select count(*) from pg_stat_replication where sync_state = 'sync'") == "1"; });
    end_at_once(primary());
    if (ask(standby(), "select pg_promote(true, 60)") != "t") throw std::runtime_error("the standby is not promoted");
    primary_ = 1 - primary_;
}

void postgres_pair::rebuild_standby()
{
    end_at_once(standby());
    fs::remove_all(standby().data());
    make_standby();
}

void postgres_pair::fill_disk()
{
    if (!own_disks_) throw std::runtime_error("the disk is not its own");
    const auto filler = primary().disk / "filler";
    const int fd = ::open(filler.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) throw std::runtime_error("cannot make " + filler.string());
    // In ever smaller pieces, until not a page is left.
    off_t at = 0;
    for (off_t piece = 64 << 20; piece >= 4096;) {
        if (::posix_fallocate(fd, at, piece) == 0) at += piece;
        else piece /= 2;
    }
    ::close(fd);
}

void postgres_pair::free_disk()
{
    fs::remove(primary().disk / "filler");
    // It may be about to end, for its recovery found no room either.
    eventually("PostgreSQL accepts connections again", [&] {
        if (!primary().postmaster->running()) {
            end_at_once(primary());
            launch(primary());
        }
        try {
            return ask(primary(), "select 1") == "1";
        } catch (const pqxx::failure&) {
            return false;
        }
    });
}

}
