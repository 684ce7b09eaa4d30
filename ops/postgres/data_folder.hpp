#pragma once

#include "ops/postgres/child.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace rowlock::ops {

// Where `rowlock dev` keeps everything. The layout:
//   lock           held while a server uses the folder; holds that server's process id
//   database_url   how to connect, for people and scripts
//   pg/            the cluster; pg.tmp/ while it is being made
//   sockets/       the database's socket, unless the path would be too long for one
//   postgres.log   what the database says
struct data_folder {
    std::filesystem::path root;      // absolute, without links
    std::filesystem::path sockets;   // absolute; outside `root` where that is too deep
    std::string name;                // tells this folder's database processes from all others

    std::filesystem::path cluster() const { return root / "pg"; }
    std::filesystem::path half_made() const { return root / "pg.tmp"; }
    std::filesystem::path log() const { return root / "postgres.log"; }
    std::string url(std::string_view database, std::string_view user = "postgres") const;
};

// Makes the folder where it does not exist. Error invalid_request: it cannot be made or is not a folder.
result<data_folder> open_data_folder(const std::filesystem::path& path);

// Holds the folder for this process until it is destroyed; the kernel lets go when the process dies.
class folder_lock {
public:
    // Error invalid_request: another server has it (names its process), or the lock file cannot be opened.
    static result<folder_lock> take(const data_folder& folder);

    folder_lock(folder_lock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    folder_lock& operator=(folder_lock&& other) noexcept
    {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~folder_lock();

private:
    explicit folder_lock(int fd) : fd_(fd) {}
    int fd_;
};

// Whom the database runs as: nullopt is this process's own account. For root, whom PostgreSQL refuses, it is the owner of the cluster
// or the user postgres. Error invalid_request: there is no such user, or the cluster belongs to somebody else.
result<std::optional<account>> owner_of(const data_folder& folder);

// A cluster that belongs to root, after a copy as root, is of no use to anybody: gives all of it to its owner-to-be.
// Error invalid_request: that is not permitted.
result<void> give_cluster(const data_folder& folder, const account& owner);

// Makes the folder, or takes an empty one of the same owner, private to `owner`. Error invalid_request: it belongs to somebody else.
result<void> make_private_folder(const std::filesystem::path& path, const std::optional<account>& owner);

// A folder of sockets with nothing in it, private to `owner`. For the time when no process of the folder's database lives.
result<void> make_socket_folder(const data_folder& folder, const std::optional<account>& owner);

// Replaces the file as a whole, mode 0600, durably. Error database_unavailable: it could not be written (the old one stands).
result<void> write_private_file(const std::filesystem::path& path, std::string_view text);

// For messages. The last lines of a file from `offset` on, and how full the folder's disk is where that may be the cause.
std::string last_lines(const std::filesystem::path& file, std::uintmax_t offset);
std::string last_lines(std::string_view text);
std::string disk_note(const std::filesystem::path& folder);

}
