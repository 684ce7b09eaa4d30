#pragma once

#include <boost/asio/ip/address.hpp>

namespace rowlock::runtime {

// Whether an address belongs to the public Internet: not this host, a private or shared network, a link, a group, or a range
// kept for documentation, tests or the future (IANA's special-purpose registries, RFC 6890). IPv6 forms that carry an IPv4
// address (mapped, compatible, 6to4, NAT64) are as public as the address they carry. Pure.
bool is_public(const boost::asio::ip::address& address);

}
