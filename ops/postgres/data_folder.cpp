#include "ops/postgres/data_folder.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rowlock::ops {
namespace {

namespace fs = std::filesystem;

// The system's bound is 107 bytes; a socket's name is ".s.PGSQL.5432" and may be followed by ".lock".
constexpr std::size_t longest_socket_path = 100;
constexpr std::string_view socket_name = "/.s.PGSQL.5432";
constexpr std::uintmax_t little_space = 64u << 20;

// FNV-1a (Fowler, Noll, Vo), 64 bits: names need no more than to differ.
std::string hash_of(std::string_view text)
{
    std::uint64_t hash = 14695981039346656037u;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    return fmt::format("{:016x}", hash);
}

// libpq reads a comma in a host as the end of it.
bool fits_a_socket(const fs::path& folder)
{
    const auto& text = folder.native();
    return text.size() + socket_name.size() <= longest_socket_path && text.find(',') == std::string::npos;
}

fs::path socket_folder(const fs::path& root, const std::string& name)
{
    if (fs::path inside = root / "sockets"; fits_a_socket(inside)) return inside;
    // root's run-time folder may not be entered by the account that the database gets.
    if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime && ::geteuid() != 0) {
        fs::path there = fs::path(runtime) / name;
        if (there.is_absolute() && fits_a_socket(there) && ::access(runtime, W_OK | X_OK) == 0) return there;
    }
    return fs::path("/tmp") / name;
}

std::string why()
{
    return std::strerror(errno);
}

error refused(std::string detail)
{
    return error{errc::invalid_request, std::move(detail)};
}

std::string user_name(uid_t uid)
{
    const passwd* found = ::getpwuid(uid);
    return found ? fmt::format("{}", found->pw_name) : fmt::format("{}", uid);
}

void encode(std::string& out, std::string_view text)
{
    for (const char c : text) {
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~')
            out += c;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
}

}

std::string data_folder::url(std::string_view database, std::string_view user) const
{
    // The port is named because PGPORT would change it otherwise.
    std::string out = "postgresql://";
    encode(out, user);
    out += "@/";
    encode(out, database);
    out += "?host=";
    encode(out, sockets.native());
    return out + "&port=5432";
}

result<data_folder> open_data_folder(const fs::path& path)
{
    std::error_code failed;
    if (path.empty()) return refused("The data folder has an empty name. Name one with --data DIR.");
    const bool was_there = fs::exists(path, failed);
    if (!was_there) fs::create_directories(path, failed);
    if (failed) return refused(fmt::format("The data folder {} cannot be made: {}. Choose another with --data DIR.", path.string(), failed.message()));
    if (!fs::is_directory(path)) return refused(fmt::format("{} is not a folder. Choose another with --data DIR.", path.string()));
    data_folder folder;
    folder.root = fs::canonical(path, failed);
    if (failed) return refused(fmt::format("The data folder {} cannot be entered: {}.", path.string(), failed.message()));
    folder.name = "rowlock-" + hash_of(folder.root.native());
    folder.sockets = socket_folder(folder.root, folder.name);
    // The database's account passes through a folder that root makes; what lies in it has its own protection.
    if (!was_there) ::chmod(folder.root.c_str(), ::geteuid() == 0 ? 0711 : 0700);
    return folder;
}

result<folder_lock> folder_lock::take(const data_folder& folder)
{
    const fs::path path = folder.root / "lock";
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return refused(fmt::format("{} cannot be opened: {}. Choose another data folder with --data DIR.", path.string(), why()));
    folder_lock held(fd);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        char holder[32];
        const auto length = ::pread(fd, holder, sizeof holder, 0);
        const std::string_view process(holder, length > 0 ? static_cast<std::size_t>(length) : 0);
        return refused(fmt::format("{} is in use by another rowlock dev (process {}). Stop that one, or choose another folder with --data DIR.",
                                   folder.root.string(), process.empty() ? "unknown" : process));
    }
    // Only for the message above; a full disk must not be in the way.
    const auto process = std::to_string(::getpid());
    if (::ftruncate(fd, 0) == 0) [[maybe_unused]] const auto written = ::pwrite(fd, process.data(), process.size(), 0);
    return held;
}

folder_lock::~folder_lock()
{
    if (fd_ >= 0) ::close(fd_);
}

result<std::optional<account>> owner_of(const data_folder& folder)
{
    struct stat cluster {};
    const bool made = ::stat(folder.cluster().c_str(), &cluster) == 0;
    if (const uid_t self = ::geteuid(); self != 0) {
        if (made && cluster.st_uid != self)
            return refused(fmt::format("{} belongs to the user {}. Start as that user or as root, or choose another folder with --data DIR.",
                                       folder.cluster().string(), user_name(cluster.st_uid)));
        return std::optional<account>{};
    }
    const passwd* found = made && cluster.st_uid != 0 ? ::getpwuid(cluster.st_uid) : ::getpwnam("postgres");
    if (found) return std::optional(account{found->pw_uid, found->pw_gid, found->pw_name});
    if (made && cluster.st_uid != 0) return std::optional(account{cluster.st_uid, cluster.st_gid, std::to_string(cluster.st_uid)});
    return refused("PostgreSQL refuses to run as root, and there is no user postgres to run it as. Start as an ordinary user, or make that user: "
                   "useradd --system postgres");
}

result<void> give_cluster(const data_folder& folder, const account& owner)
{
    struct stat cluster {};
    if (::stat(folder.cluster().c_str(), &cluster) != 0 || cluster.st_uid == owner.uid) return {};
    std::error_code failed;
    for (auto at = fs::recursive_directory_iterator(folder.cluster(), failed); !failed && at != fs::recursive_directory_iterator(); at.increment(failed))
        if (::lchown(at->path().c_str(), owner.uid, owner.gid) != 0) failed.assign(errno, std::generic_category());
    // The folder itself comes last, so that an interrupted change is taken up again.
    if (!failed && ::chown(folder.cluster().c_str(), owner.uid, owner.gid) != 0) failed.assign(errno, std::generic_category());
    if (!failed) return {};
    return refused(fmt::format("{} cannot be given to the user {}: {}.", folder.cluster().string(), owner.name, failed.message()));
}

result<void> make_private_folder(const fs::path& path, const std::optional<account>& owner)
{
    const auto failure = [&path](std::string_view what) { return refused(fmt::format("{} {}: {}.", path.string(), what, why())); };
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return failure("cannot be made");
    // Opened without following a link: in /tmp, somebody else may have put one there.
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return failure("cannot be used");
    struct stat found {};
    const uid_t self = ::geteuid();
    const uid_t wanted = owner ? owner->uid : self;
    bool good = ::fstat(fd, &found) == 0 && (found.st_uid == wanted || found.st_uid == self);
    if (!good) errno = EPERM;
    if (good && found.st_uid != wanted) good = ::fchown(fd, owner->uid, owner->gid) == 0;
    good = good && ::fchmod(fd, 0700) == 0;
    const auto out = good ? result<void>{} : result<void>{failure(fmt::format("belongs to the user {} and cannot be used", user_name(found.st_uid)))};
    ::close(fd);
    return out;
}

result<void> make_socket_folder(const data_folder& folder, const std::optional<account>& owner)
{
    if (auto made = make_private_folder(folder.sockets, owner); !made) return made;
    // A socket's lock file names a process; when that number has been given to another one, PostgreSQL would refuse to start.
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(folder.sockets, failed)) fs::remove(entry.path(), failed);
    return {};
}

result<void> write_private_file(const fs::path& path, std::string_view text)
{
    const fs::path fresh = path.string() + ".new";
    const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const bool good = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0 &&
                      ::rename(fresh.c_str(), path.c_str()) == 0;
    const auto cause = why();
    if (fd >= 0) ::close(fd);
    if (good) return {};
    ::unlink(fresh.c_str());
    return error{errc::database_unavailable, fmt::format("{} cannot be written: {}.{}", path.string(), cause, disk_note(path.parent_path()))};
}

std::string last_lines(std::string_view text)
{
    while (text.ends_with('\n')) text.remove_suffix(1);
    std::size_t from = text.size();
    for (int lines = 0; lines < 8 && from != std::string_view::npos && from > 0; ++lines) from = text.rfind('\n', from - 1);
    if (from != std::string_view::npos && from < text.size() && text[from] == '\n') text.remove_prefix(from + 1);
    return std::string(text);
}

std::string last_lines(const fs::path& file, std::uintmax_t offset)
{
    std::ifstream in(file, std::ios::binary);
    in.seekg(0, std::ios::end);
    const auto end = in ? static_cast<std::uintmax_t>(in.tellg()) : 0;
    offset = std::max(offset, end > 8192 ? end - 8192 : 0);
    if (!in || offset >= end) return {};
    std::string text(end - offset, '\0');
    in.seekg(static_cast<std::streamoff>(offset));
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    return last_lines(text);
}

std::string disk_note(const fs::path& folder)
{
    std::error_code failed;
    const auto space = fs::space(folder, failed);
    if (failed || space.available >= little_space) return {};
    return fmt::format(" The disk of {} has {} MiB left: make room and start again.", folder.string(), space.available >> 20);
}

}
