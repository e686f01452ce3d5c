#!/bin/sh
# What a node runs instead of what was asked for over SSH: that, if it is a line of the list. In
# authorized_keys: restrict,command="/usr/local/lib/dubfleet/forced_command.sh /etc/dubfleet/ssh-commands"
# The line is run, never the words that came in.
while IFS= read -r line; do
    [ "$line" = "$SSH_ORIGINAL_COMMAND" ] && exec /bin/sh -c "$line"
done <"$1"
echo 'This key may not do that.' >&2
exit 126
