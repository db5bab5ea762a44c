// MulticastReceiver GROUP PORT INTERFACE COUNT - joins GROUP on INTERFACE and prints COUNT
// datagrams, whoever sends them: ferry connect udp:GROUP:PORT
import java.net.DatagramPacket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.MulticastSocket;
import java.net.NetworkInterface;

public class MulticastReceiver {
    public static void main(String[] words) throws Exception {
        int port = Integer.parseInt(words[1]);
        var group = new InetSocketAddress(InetAddress.getByName(words[0]), port);
        try (MulticastSocket socket = new MulticastSocket(group)) { // bound to it: its alone come
            socket.joinGroup(group, NetworkInterface.getByName(words[2]));
            socket.setSoTimeout(10_000);
            System.err.println("joined");
            for (int left = Integer.parseInt(words[3]); left > 0; left--) {
                DatagramPacket packet = new DatagramPacket(new byte[65_507], 65_507);
                socket.receive(packet);
                System.out.write(packet.getData(), 0, packet.getLength());
                System.out.println();
            }
        }
    }
}
